"""What happened: events put together into processes, tool runs and builds. Pure; reads only a recording."""
