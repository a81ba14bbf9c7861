"""The command line: parses, calls and prints; every decision is made in the packages below it."""
