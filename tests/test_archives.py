"""What archives of photos are called, and what a tar holds."""

import io

from fast_style.archives import expand, list_members


def test_ranges_of_numbers():
    assert expand("s3://b/a-{08..10}.tar") == ["s3://b/a-08.tar", "s3://b/a-09.tar", "s3://b/a-10.tar"]
    assert expand(["x.tar", "{0..1}/{2..3}.tar"]) == ["x.tar", "0/2.tar", "0/3.tar", "1/2.tar", "1/3.tar"]


def test_the_members_of_a_damaged_tar(tmp_path, make_shard):
    """Those before the damage are listed, and their bytes lie where it is said."""
    data = make_shard(tmp_path / "a.tar", 2).read_bytes()
    members, damage = list_members(io.BytesIO(data))
    assert [member.name for member in members] == ["000.png", "000.txt", "001.png", "001.txt"]
    assert not damage
    assert data[members[1].offset_data :][: members[1].size] == b"photo 0"
    assert len(list_members(io.BytesIO(data[:1400]))[0]) == 1
    assert list_members(io.BytesIO(data[:700])) == ([], "it ends within 000.png")
    assert list_members(io.BytesIO(b""))[0] == []
