"""The doors to the outside: one way to run a program, one HTTP client, one pool of workers, progress."""
