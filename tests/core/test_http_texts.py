"""The request of a node as text: what stands where, what stays closed, and what is refused before anything is sent."""

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.http_texts import HttpRequest, UnsendableError, build, pieces


def built(value: str = "v", **settings: Any) -> HttpRequest:
    """Every expression gives `value`."""
    return build({"method": "GET", "url": "https://api.example.org/x", **settings}, lambda _: value)


def test_texts_are_rendered_piece_by_piece_and_variables_stay_closed() -> None:
    said: list[str] = []

    def render(source: str) -> str:
        said.append(source)
        return f"<{len(said)}>"

    request = build(
        {
            "method": "POST",
            "url": "https://{{ variables.HOST }}/a/{{ parameters.x }}?q={{ inputs.y }}",
            "headers": {"Authorization": "Bearer {{variables.TOKEN}}", "X-Run": "{{ run.id }}"},
            "body": '{"a": "{{ parameters.x }}", "b": "{{ variables.TOKEN }}"}',
            "timeout_seconds": 5,
            "expect": [201, 404],
        },
        render,
    )
    assert request.variables == {"HOST", "TOKEN"}
    assert "{{ variables.TOKEN }}" in said, "in a body a variable is no more than an expression, which refuses it"
    ready = request.opened({"HOST": "h.example.org", "TOKEN": "t"})
    assert ready.url.startswith("https://h.example.org/a/%3C")
    assert ready.headers["Authorization"] == "Bearer t"
    assert (request.is_expected(404), request.is_expected(200)) == (True, False)
    assert str(request.headers["Authorization"]) == "Bearer {{ variables.TOKEN }}"


def test_what_a_parameter_says_is_never_read_as_a_variable() -> None:
    request = built(
        "{{ variables.TOKEN }}", headers={"X-A": "{{ parameters.x }}"}, url="https://a.org/{{ parameters.x }}"
    )
    assert request.variables == frozenset()
    assert request.opened({"TOKEN": "secret"}).headers["X-A"] == "{{ variables.TOKEN }}"


@given(st.text(max_size=40))
def test_a_value_stays_in_its_place_of_the_address(value: str) -> None:
    request = built(value, url="https://api.example.org/one/{{ x }}/two?q={{ x }}")
    url = request.opened({}).url
    path, _, query = url.removeprefix("https://api.example.org/one/").partition("?")
    assert url.startswith("https://api.example.org/one/")
    assert (unquote(path.removesuffix("/two")), unquote(query.removeprefix("q="))) == (value, value)


@pytest.mark.parametrize("value", ["evil.org/", "me@evil.org", "a?b", "a#b", "a b", "a\\b", "é"])
def test_a_part_of_a_host_is_only_what_hosts_have(value: str) -> None:
    with pytest.raises(UnsendableError, match="part of the host"):
        built(value, url="https://{{ x }}.example.org/")


def test_a_whole_address_may_come_from_an_expression() -> None:
    assert built("https://b.example.org", url="{{ x }}/y").opened({}).url == "https://b.example.org/y"


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "TRACE"},
        {"headers": {"X-A": "one\r\nX-B: two"}},
        {"headers": {"X A": "one"}},
        {"headers": {"Host": "other"}},
        {"headers": {"content-length": "5"}},
        {"headers": {"X-A": "é"}},
        {"body": "x" * (1024 * 1024 + 1)},
    ],
)
def test_what_cannot_be_sent_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UnsendableError):
        built(**settings)


@pytest.mark.parametrize("value", ["a\r\nX-Admin: yes", "a\nb", "é", "a\0"])
def test_no_value_adds_a_header(value: str) -> None:
    with pytest.raises(UnsendableError):
        built(value, headers={"X-A": "before {{ x }}"})
    request = built(headers={"X-A": "before {{ variables.A }}"})
    with pytest.raises(UnsendableError) as caught:
        request.opened({"A": value})
    assert value not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://a.org/", "a.org", "https://u:p@a.org/", "https:///x", "https://a.org/ x"])
def test_an_address_is_one_of_http(url: str) -> None:
    with pytest.raises(UnsendableError):
        built(url=url).opened({})


def test_a_faulty_address_of_variables_is_not_repeated() -> None:
    with pytest.raises(UnsendableError) as caught:
        built(url="{{ variables.A }}").opened({"A": "not a url 12345"})
    assert "12345" not in str(caught.value)
    with pytest.raises(UnsendableError, match="no value for everything of the variable A"):
        built(url="{{ variables.A }}").opened({})


def test_a_body_says_what_it_is() -> None:
    for body, kind in (('{"a": 1}', "application/json"), ("hello", "text/plain; charset=utf-8")):
        assert built(body=body).opened({}).headers == {"Content-Type": kind}
    assert built(body="<a/>", headers={"content-type": "text/xml"}).opened({}).headers == {"content-type": "text/xml"}
    assert built().opened({}).headers == {}


@given(st.text(alphabet="{}'\"\\ab ", max_size=30))
def test_pieces_are_the_whole_text(text: str) -> None:
    found = list(pieces(text))
    assert "".join(piece for _, piece in found) == text
    assert all("{{" not in piece for is_plain, piece in found if is_plain)


def test_braces_in_quotes_end_no_expression() -> None:
    assert [piece for is_plain, piece in pieces('a{{ \'}}\' }}b{{ "\\"}}" }}') if not is_plain] == [
        "{{ '}}' }}",
        '{{ "\\"}}" }}',
    ]
