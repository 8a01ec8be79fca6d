"""What clients send and are never shown again: pure."""

from localbatch.wire.formats import JsonObject, JsonValue

_NAMES = frozenset({"password", "accountKey", "sasKey", "sshPrivateKey", "protectedSettings"})


def without_secrets(document: JsonObject) -> JsonObject:
    """Returns a document without passwords and keys, at whatever depth they stand."""
    return {name: _without(value) for name, value in document.items() if name not in _NAMES}


def _without(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return without_secrets(value)
    return [_without(each) for each in value] if isinstance(value, list) else value
