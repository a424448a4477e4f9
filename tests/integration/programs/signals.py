"""Says which signals it gets, one line each in the file named by its argument; ends with exit status 7 at SIGUSR1."""

import os
import signal
import sys

log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
watched = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCONT, signal.SIGUSR1, signal.SIGUSR2}
signal.pthread_sigmask(signal.SIG_BLOCK, watched)
os.write(log, b"ready\n")
print("ready", flush=True)
while True:
    number = signal.sigwait(watched)
    os.write(log, f"{signal.Signals(number).name}\n".encode())
    if number == signal.SIGUSR1:
        sys.exit(7)
