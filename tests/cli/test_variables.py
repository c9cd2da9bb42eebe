"""Values of variables on the command line: read from standard input, never from an argument."""

from tests.cli.conftest import Watchbill

SECRET = "hunter2 of the command line"


def test_values_are_set_shown_and_removed(signed_in: Watchbill, device: str, unique: str):
    name = "V_" + "".join(sign for sign in unique if sign.isalnum())[:30]
    done = signed_in("variables", "set", name, "--device", device, "--secret", stdin=f"{SECRET}\n")
    assert (done.code, done.err) == (0, f"{name} is set for {device}.\n") or done.code == 0, done.err
    listed = signed_in("variables", "list", "--search", name)
    assert "(secret)" in listed.out
    assert SECRET not in done.out + done.err + listed.out
    again = signed_in("variables", "set", name, "--device", device, "--json", stdin="another\n")
    assert (again.json["revision"], again.json["is_secret"], again.json["value"]) == (2, True, None), (
        "it stays a secret"
    )
    number = signed_in("variables", "set", f"{name}_N", "--device", device, "--type", "number", "--json", stdin="8\n")
    assert number.json["value"] == 8
    assert signed_in("variables", "set", f"{name}_N", "--device", device, "--type", "number", stdin="x").code == 2
    assert signed_in("variables", "set", name, "--device", device, stdin="").code == 2
    assert signed_in("variables", "set", "PATH", "--device", device, stdin="x").code == 1
    assert signed_in("variables", "remove", name, "--device", device).code == 2
    assert signed_in("variables", "remove", name, "--device", device, "--yes").code == 0
    assert signed_in("variables", "remove", name, "--device", device, "--yes").code == 5
