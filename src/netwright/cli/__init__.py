"""The command line: one file a verb; it parses, calls the public face and prints."""
