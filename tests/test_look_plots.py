import csv
import json
import warnings
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from relx.faults import InputError
from relx.look.plots import INDEX, INK, Plot, heat_map, new_figure, plots_folder, svg, write_plots

NAMES = ["단체:구성원", "\U0001f9ff", "漢字"]


def a_plot(name="heat"):
    figure, axes = new_figure()
    heat_map(axes, np.arange(9.0).reshape(3, 3), NAMES, NAMES, texts=[["1", "2", "3"]] * 3)
    return Plot(name, "Heat", figure, ("label", "count"), [("단체", 1), ('a,"b"', 2)], "A note.")


def test_each_plot_is_a_picture_a_drawing_and_its_numbers(tmp_path):
    write_plots(tmp_path / "x_plots", [a_plot("one"), a_plot("two")], {"rows": 3})
    assert (tmp_path / "x_plots/one.png").read_bytes().startswith(b"\x89PNG")
    assert ET.parse(tmp_path / "x_plots/two.svg").getroot().tag.endswith("svg")
    with (tmp_path / "x_plots/one.csv").open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream)) == [["label", "count"], ["단체", "1"], ['a,"b"', "2"]]
    index = json.loads((tmp_path / "x_plots" / INDEX).read_text(encoding="utf-8"))
    assert [plot["name"] for plot in index["plots"]] == ["one", "two"]
    assert index["facts"] == {"rows": 3}


def test_no_letter_is_drawn_as_an_empty_box(tmp_path):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph")
        write_plots(tmp_path / "plots", [a_plot()])


def test_the_files_of_the_same_plot_are_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_plots(tmp_path / name, [a_plot()])
    for file in ("heat.png", "heat.svg", "heat.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_plots_written_again_replace_the_earlier_ones(tmp_path):
    write_plots(tmp_path / "plots", [a_plot("old")])
    write_plots(tmp_path / "plots", [a_plot("new")])
    assert {path.stem for path in (tmp_path / "plots").iterdir()} == {"new", "plots"}


def test_what_somebody_put_beside_the_plots_stays(tmp_path):
    folder = tmp_path / "plots"
    write_plots(folder, [a_plot("old")])
    (folder / "notes.txt").write_text("mine")
    (folder / "link").symlink_to("nowhere")
    (folder / "more").mkdir()
    (folder / "more/drawn.png").write_bytes(b"mine")
    for name in ("new", "newer"):
        write_plots(folder, [a_plot(name)])
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "more/drawn.png").read_bytes() == b"mine"
    assert {path.stem for path in folder.iterdir()} == {"newer", "plots", "notes", "more", "link"}


@pytest.mark.parametrize("index", ["[1]", "3", '{"plots": 1}', '{"plots": {}}'])
def test_an_index_of_someone_else_is_left_alone(tmp_path, index):
    (tmp_path / INDEX).write_text(index)
    with pytest.raises(InputError, match="something else"):
        write_plots(tmp_path, [a_plot()])


@pytest.mark.parametrize("content", ["mine.txt", "plots.csv"])
def test_a_folder_of_someone_else_is_left_alone(tmp_path, content):
    folder = tmp_path / "plots"
    folder.mkdir()
    (folder / content).write_text("mine")
    with pytest.raises(InputError, match="something else"):
        write_plots(folder, [a_plot()])
    assert (folder / content).read_text() == "mine"


def test_a_file_in_the_folders_place_is_left_alone(tmp_path):
    (tmp_path / "plots").write_text("mine")
    with pytest.raises(InputError, match="something else"):
        write_plots(tmp_path / "plots", [a_plot()])


def test_in_a_page_the_colours_are_the_style_sheets_and_ids_occur_once():
    text = svg(a_plot().figure)
    assert INK not in text
    assert "var(--ink)" in text
    assert "단체:구성원</text>" in text
    root = ET.fromstring(text)
    assert "width" not in root.attrib
    assert [
        e.attrib["id"] for e in root.iter() if e.attrib.get("id", "").startswith("figure")
    ] == []


def test_the_folder_is_named_after_the_page(tmp_path):
    assert plots_folder(tmp_path / "report.html") == tmp_path / "report_plots"
