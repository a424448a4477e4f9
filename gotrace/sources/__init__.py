"""Where raw records come from; the sources are interchangeable behind `gotrace.sources.base`."""
