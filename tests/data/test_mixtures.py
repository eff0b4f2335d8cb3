import pytest

from fast_style.data import parse_styles, weighed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.com/x.jpg", {"https://example.com/x.jpg": 1.0}),
        ("https://example.com/x.jpg:0.5,night", {"https://example.com/x.jpg": 0.5, "night": 1.0}),
        ("C:\\p.jpg", {"C:\\p.jpg": 1.0}),
        ("https://host:8080/a.jpg", {"https://host:8080/a.jpg": 1.0}),
        ("https://host:8080", {"https://host:8080": 1.0}),
        ("https://host:8080/a,b:c.jpg", {"https://host:8080/a,b:c.jpg": 1.0}),
        ("a.jpg:0.7,https://h/x,y.jpg:0.3", {"a.jpg": 0.7, "https://h/x,y.jpg": 0.3}),
        ("https://h/x,y.jpg,mosaic:0.5", {"https://h/x,y.jpg": 1.0, "mosaic": 0.5}),
        ("https://h/x,y,http://i/z", {"https://h/x,y": 1.0, "http://i/z": 1.0}),
        ("night:day", {"night:day": 1.0}),
        ("night:2, day : 1", {"night": 2.0, "day": 1.0}),
    ],
)
def test_what_a_style_is(text, expected):
    assert parse_styles(text) == expected


def test_a_file_that_exists_is_taken_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a,b.jpg", "c:1"):
        (tmp_path / name).touch()
    assert parse_styles("a,b.jpg:2,c:1") == {"a,b.jpg": 2.0, "c:1": 1.0}
    assert weighed("c:1") == ("c:1", "")
    assert weighed("d:1") == ("d", "1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "style '' must be NAME or NAME:WEIGHT,NAME:WEIGHT with each name once"),
        ("night,,day", "with each name once"),
        ("night:1,night:2", "with each name once"),
        ("night:-1", "the weight of style night must not be negative, got -1"),
        ("night:nan", "the weight of style night must be a finite number, got nan"),
        ("night:inf", "the weight of style night must be a finite number, got inf"),
    ],
)
def test_what_no_style_is(text, message):
    with pytest.raises(ValueError, match=message):
        parse_styles(text)
