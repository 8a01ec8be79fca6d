"""What a credential cannot do."""


class CredentialError(ValueError):
    """A credential cannot do what was asked; the message is one line that says what to do. It never holds a secret."""
