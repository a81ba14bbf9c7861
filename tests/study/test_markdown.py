from __future__ import annotations

from vgbench.study.markdown import WIDTH, set_markdown


def test_blocks_are_parted_and_paragraphs_filled() -> None:
    text = set_markdown(
        "# Title\ntext\n"
        + "word " * 60
        + "\n| a |\n|---|\n| 1 |\n![x](y.svg)\n- one\n  more\n- two\n"
        "    code\n    code"
    )
    blocks = text.rstrip("\n").split("\n\n")
    assert blocks[0] == "# Title"
    assert blocks[1].startswith("text word")
    assert max(map(len, text.splitlines())) <= WIDTH
    assert blocks[2:] == [
        "| a |\n|---|\n| 1 |",
        "![x](y.svg)",
        "- one more\n- two",
        "    code\n    code",
    ]


def test_setting_it_again_changes_nothing() -> None:
    text = set_markdown(
        "# T\n" + "word " * 60 + "\n- " + "item " * 50 + "\n| a |\n|---|\n| b |\n|---|"
    )
    assert set_markdown(text) == text
    assert "| a |\n|---|\n\n| b |" in text
