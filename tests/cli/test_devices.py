"""Tags, custom fields and software on the command line."""

from tests.cli.conftest import Result, Watchbill


def made(done: Result) -> Result:
    assert done.code == 0, done.err
    return done


def test_devices_are_tagged_after_a_rehearsal(signed_in: Watchbill, device: str):
    rehearsal = made(signed_in("devices", "tag", device, "--add", "Prod", "--remove", "old", "--dry-run"))
    assert "1 of 1 devices would change: 1 tags added, 0 removed." in rehearsal.out + rehearsal.err
    assert made(signed_in("devices", "tag", device, "--add", "Prod", "--json")).json["changed"] == 1
    assert "prod" in made(signed_in("devices", "list", "--tag", "PROD")).out
    assert signed_in("devices", "tag", device, "--add", "two words").code == 1


def test_a_field_is_made_set_and_deleted(signed_in: Watchbill, device: str, unique: str):
    name = "f_" + "".join(sign for sign in unique.lower() if sign.isalnum())[:30]
    made(signed_in("custom-fields", "create", name, "--type", "number", "--label", "Rack unit"))
    assert made(signed_in("custom-fields", "update", name, "--scripts", "--json")).json["settable_by_scripts"]
    assert name in made(signed_in("custom-fields", "list")).out
    done = made(signed_in("devices", "set", device, f"{name}=7", "--description", "by the door", "--json")).json
    assert (done["custom_values"][name]["value"], done["description"]) == (7.0, "by the door")
    assert f"{name} (operator)" in made(signed_in("devices", "show", device)).out
    refused = signed_in("devices", "set", device, f"{name}=seven")
    assert (refused.code, f"values.{name}: must be a number" in refused.err) == (1, True)
    assert signed_in("devices", "set", device, name).code == 2
    assert made(signed_in("devices", "set", device, f"{name}=", "--json")).json["custom_values"] == {}
    assert signed_in("custom-fields", "delete", name).code == 2
    made(signed_in("custom-fields", "delete", name, "--yes"))
    assert signed_in("custom-fields", "delete", name, "--yes").code == 5


def test_a_device_without_an_inventory_has_told_of_no_software(signed_in: Watchbill, device: str):
    done = made(signed_in("devices", "software", device))
    assert done.err == "It has told of no such software.\n"


def test_a_service_account_is_asked_for_and_taken_back(signed_in: Watchbill, device: str):
    assert "none" in made(signed_in("devices", "service-account", "show", device)).out
    counted = made(signed_in("devices", "service-account", "create", device, "--dry-run", "--json"))
    assert (counted.json["devices"], counted.json["changed"]) == (1, 1)
    done = made(signed_in("devices", "service-account", "create", device))
    assert done.out + done.err == "The service account is to be created on 1 of 1 devices.\n"
    assert made(signed_in("devices", "service-account", "show", device, "--json")).json["state"] == "creating"
    assert "creating" in made(signed_in("devices", "show", device)).out
    assert made(signed_in("devices", "service-account", "rotate", device, "--json")).json["changed"] == 0
    assert signed_in("devices", "service-account", "remove", device).code == 2, "it asks first"
    assert made(signed_in("devices", "service-account", "remove", device, "--yes", "--json")).json["changed"] == 1
    assert signed_in("devices", "service-account", "create").code == 2
    assert signed_in("devices", "service-account", "create", device, "--filter", "all").code == 2
