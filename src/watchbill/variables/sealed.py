"""How a secret value is bound: to its variable, whose place never changes. Moved elsewhere, it cannot be opened."""


def context(variable_id: int) -> str:
    return f"variable:{variable_id}"
