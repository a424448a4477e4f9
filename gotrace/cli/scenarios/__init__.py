"""What `gotrace scenario` does behind its commands."""
