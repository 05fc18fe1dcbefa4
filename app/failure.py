"""What ends a command with a sentence, not a traceback."""


class Failure(Exception):
    """Something that whoever runs the program can mend; the message is a sentence for them."""
