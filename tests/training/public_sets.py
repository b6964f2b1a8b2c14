"""A few records of every public data set, made here in the set's own format, the last ones malformed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from getok_core.labels.segmentation import coded

SQUARE = np.zeros((48, 64), bool)
SQUARE[10:30, 20:50] = True
POLYGON = [[20.0, 10.0, 50.0, 10.0, 50.0, 30.0, 20.0, 30.0]]
BOX = [20.0, 10.0, 30.0, 20.0]
"""x, y, width, height"""


class Set(NamedTuple):
    """A written data set and what conversion makes of it."""

    source: Path
    texts: list[str]
    """of the samples, in their order"""
    reasons: list[str]
    """a piece of each skipped record's line"""
    images: Path | None = None


def put(path: Path, said: Any) -> Path:
    """JSON, or JSON Lines where the suffix says so; text as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        said = "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in said)
    path.write_text(said if isinstance(said, str) else json.dumps(said))
    return path


def picture(path: Path, size: tuple[int, int] = (64, 48)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), 90, np.uint8))
    return path


def image(number: int, **more: Any) -> dict[str, Any]:
    name = f"COCO_train2014_{number:012d}.jpg"
    return {"id": number, "file_name": name, "width": 64, "height": 48, "license": 1, **more}


def annotation(number: int, image_id: int, category: int, **more: Any) -> dict[str, Any]:
    said = {"segmentation": POLYGON, "area": 600.0, "iscrowd": 0, "image_id": image_id, "bbox": BOX}
    return said | {"category_id": category, "id": number, **more}


INSTANCES = {
    "info": {}, "licenses": [], "images": [image(1), image(2), {"id": 3}],
    "annotations": [annotation(11, 1, 1), annotation(12, 1, 18, segmentation={"size": [48, 64], **coded(SQUARE)}),
                    annotation(13, 2, 1, bbox=[90.0, 10.0, 5.0, 5.0])],
    "categories": [{"supercategory": "person", "id": 1, "name": "person"},
                   {"supercategory": "animal", "id": 18, "name": "dog"}],
}  # fmt: skip


def sentence(number: int, text: str) -> dict[str, Any]:
    return {"tokens": text.split(), "raw": text, "sent_id": number, "sent": text}


def refcoco(folder: Path) -> Set:
    def ref(number: int, ann_id: int, image_id: int = 1, split: str = "train", **more: Any) -> dict[str, Any]:
        said = {"sent_ids": [number], "file_name": f"COCO_train2014_{image_id:012d}_{ann_id}.jpg", "ann_id": ann_id}
        said |= {"ref_id": number, "image_id": image_id, "split": split, "category_id": 1}
        return said | {"sentences": [sentence(number, "lady with blue shirt")], **more}

    put(folder / "instances.json", INSTANCES)
    refs = [
        ref(0, 11),
        ref(1, 12, split="val"),
        ref(2, 99),
        ref(3, 13, 2),
        ref(4, 11, sentences=[{"sent": " "}]),
        "ref",
    ]
    texts = ["Segment lady with blue shirt", "Box lady with blue shirt", "Describe the region"]
    reasons = ["images[2]: 'width' is missing", "[2]: '99' is missing", "[3]: box [90.0, 10.0, 95.0, 15.0] is empty",
               "[4]: 'sent_id' is missing", "[5]: a ref must be an object"]  # fmt: skip
    return Set(put(folder / "refs(unc).json", refs), texts, reasons)


def grefcoco(folder: Path) -> Set:
    def ref(number: int, ann_id: list[int], **more: Any) -> dict[str, Any]:
        said = {"image_id": 1, "split": "train", "sentences": [sentence(number, f"thing {number}")], "ann_id": ann_id}
        said |= {"file_name": "COCO_train2014_000000000001.jpg", "category_id": [1], "ref_id": number}
        return said | {"sent_ids": [number], "no_target": ann_id == [-1], **more}

    put(folder / "instances.json", INSTANCES)
    refs = [ref(0, [11, 12]), ref(1, [-1]), ref(2, [11], no_target=True), ref(3, [11], image_id=3)]
    texts = ["Segment thing 0", "Box thing 0", "Segment thing 1", "Box thing 1"]
    reasons = ["images[2]", "[2]: no_target with ann_id [11]", "[3]: '3' is missing"]
    return Set(put(folder / "grefs(unc).json", refs), texts, reasons)


def coco_stuff(folder: Path) -> Set:
    said = INSTANCES | {
        "categories": [{"supercategory": "wall", "id": 171, "name": "wall-brick"},
                       {"supercategory": "sky", "id": 157, "name": "sky-other"},
                       {"supercategory": "other", "id": 183, "name": "other"}],
        "annotations": [annotation(1, 1, 171, segmentation=coded(SQUARE)), annotation(2, 1, 157), annotation(3, 1, 183),
                        annotation(4, 1, 157, segmentation={"size": [48, 64], "counts": "0"}), annotation(5, 9, 157)],
    }  # fmt: skip
    texts = ["Segment the brick wall", "Segment the sky"]
    reasons = ["images[2]", "annotations[4]: image_id '9'", "annotation 4: a mask of size [48, 64] and 0 pixels"]
    return Set(put(folder / "stuff_train2017.json", said), texts, reasons)


def maps(folder: Path) -> list[Path]:
    """Two maps of a picture: one whole, one of three channels; values 5 (the square), 2 and 255."""
    values = np.where(SQUARE, 5, 2).astype(np.uint8)
    values[:2] = 255
    values[47, 63] = 7  # a speck
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "000000000009.png"), values)
    cv2.imwrite(str(folder / "000000000025.png"), np.zeros((4, 4, 3), np.uint8))
    return [folder / "000000000009.png", folder / "000000000025.png"]


def stuffthingmaps(folder: Path) -> Set:
    maps(folder / "train2017")
    put(folder / "labels.txt", "0: unlabeled\n3: car\n6: wall-brick\n8: speck\n")
    texts = ["Segment the car", "Segment the brick wall"]
    return Set(folder, texts, ["train2017/000000000025.png: it is no picture of one channel"])


def ade20k(folder: Path) -> Set:
    maps(folder / "annotations" / "training")
    table = "Idx\tRatio\tTrain\tVal\tStuff\tName\n2\t0.1\t11\t1\t1\tbuilding, edifice\n5\t0.2\t6\t1\t1\ttree\n"
    put(folder / "objectInfo150.txt", table)
    texts = ["Segment the building", "Segment the tree"]
    return Set(folder, texts, ["annotations/training/000000000025.png: it is no picture of one channel"])


def paco_lvis(folder: Path) -> Set:
    said = {
        "images": [image(1, neg_category_ids=[], not_exhaustive_category_ids=[]),
                   image(2, not_exhaustive_category_ids=[41])],
        "categories": [{"supercategory": "OBJECT", "id": 41, "name": "car_(automobile)", "synset": "car.n.01"},
                       {"supercategory": "PART", "id": 300, "name": "car_(automobile):wheel"}],
        "annotations": [annotation(1, 1, 41, obj_ann_id=1, attribute_ids=[], segmentation=coded(SQUARE)),
                        annotation(2, 1, 300, obj_ann_id=1), annotation(3, 1, 300, obj_ann_id=1),
                        annotation(4, 2, 41), annotation(5, 2, 300, segmentation=[[1, 2]]), {"id": 6, "image_id": 1}],
    }  # fmt: skip
    texts = ["Segment every car", "Segment every wheel of a car"]
    reasons = ["annotations[5]: category_id must be", "image 2, category 300: a polygon of 2 numbers"]
    return Set(put(folder / "paco_lvis_v1_train.json", said), texts, reasons)


def coco_objects(folder: Path) -> Set:
    said = {
        "images": [image(1), image(2)], "categories": [{"id": 5, "name": "pot_hole"}, {"id": 6, "name": "kerb"}],
        "annotations": [annotation(1, 1, 5), annotation(2, 1, 5, segmentation=coded(SQUARE)),
                        annotation(3, 1, 6, segmentation=[]), annotation(4, 2, 5, iscrowd=1),
                        {"id": 5, "image_id": 2, "category_id": 6}],
    }  # fmt: skip
    reasons = ["image 2, category 5: a crowd of 'pot hole'", "image 2, category 6: 'bbox' is missing"]
    texts = ["Box every pot hole", "Segment every pot hole", "Box every kerb"]
    return Set(put(folder / "instances_default.json", said), texts, reasons)


def pascal_part(folder: Path) -> Set:
    from scipy.io import savemat

    def struct(**fields: Any) -> np.ndarray:
        one = np.empty((1, 1), [(name, object) for name in fields])
        one[0, 0] = tuple(fields.values())
        return one

    def row(structs: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(structs, axis=1) if structs else np.zeros((0, 0))

    wheels = [struct(part_name=f"wheel_{n}", mask=SQUARE.astype(np.uint8)) for n in (1, 2)]
    parts = row([*wheels, struct(part_name="bliplate", mask=SQUARE.astype(np.uint8))])
    car = struct(**{"class": "car", "class_ind": 7.0, "mask": SQUARE.astype(np.uint8), "parts": parts})
    boat = struct(**{"class": "boat", "class_ind": 4.0, "mask": SQUARE.astype(np.uint8), "parts": row([])})
    empty = struct(**{"class": "boat", "class_ind": 4.0, "mask": np.zeros((48, 64), np.uint8), "parts": row([])})
    folder.mkdir(parents=True, exist_ok=True)
    for name, objects in (("2008_000001", [car, boat]), ("2008_000002", [empty])):
        savemat(folder / f"{name}.mat", {"anno": struct(imname=name, objects=row(objects))})
    (folder / "2008_000003.mat").write_bytes(b"no matlab")
    texts = ["Segment every car", "Segment every wheel of a car", "Segment every back license plate of a car",
             "Segment every boat"]  # fmt: skip
    return Set(folder, texts, ["2008_000002.mat: the mask of 'boat' is empty", "2008_000003.mat: it is no MATLAB file"])


def vlpart(folder: Path) -> Set:
    said = {"images": [image(1)], "annotations": [annotation(1, 1, 3), annotation(2, 1, 4, bbox=[1])],
            "categories": [{"id": 3, "name": "dog:leg"}, {"id": 4, "name": "dog:tail"}]}  # fmt: skip
    reasons = ["image 1, category 4: a bbox of 1 values"]
    return Set(put(folder / "train.json", said), ["Segment every leg of a dog"], reasons)


def visual_genome(folder: Path) -> Set:
    def region(number: int, **more: Any) -> dict[str, Any]:
        said = {"region_id": number, "width": 30, "height": 20, "image_id": 1, "phrase": "a red bus ", "y": 10, "x": 20}
        return said | more

    url = "https://example.org/rak248/VG_100K_2/1.jpg"
    known = {"width": 64, "url": url, "height": 48, "image_id": 1, "coco_id": 7, "flickr_id": None}
    put(folder / "image_data.json", [known, known | {"image_id": 2, "coco_id": None}, {"image_id": 3, "width": 5}])
    said = [{"id": 1, "regions": [region(1), region(2)]}, {"id": 2, "regions": [region(3, phrase="")]},
            {"id": 3, "regions": []}, {"id": 9, "regions": []}]  # fmt: skip
    reasons = ["[1]: an expression or answer must be text, got ''", "[2]: 'height' is missing", "[3]: '9' is missing"]
    return Set(put(folder / "region_descriptions.json", said), ["Describe the region"] * 2, reasons)


def pixmo_points(folder: Path) -> Set:
    def line(**more: Any) -> dict[str, Any]:
        said = {"image_url": "https://example.org/a.jpg", "image_sha256": "ab12", "count": 1, "label": "red cups"}
        return said | {"points": [{"x": 25.0, "y": 50.0}], "collection_method": "pointing", **more}

    picture(folder / "images" / "ab12.png")
    said = [line(), line(count=0, points=[]), line(image_sha256="cd"), line(points=[{"x": 250.0, "y": 1.0}]),
            line(points=[{"x": 1.0, "y": 1.0}] * 17), "{cut"]  # fmt: skip
    reasons = ["3: no image 'cd'", "4: a point lies outside 0 to 100", "5: 17 points", "6: no JSON"]
    return Set(put(folder / "points.jsonl", said), ["Point at red cups"] * 2, reasons, folder / "images")


def turns(*said: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[at % 2], "value": text} for at, text in enumerate(said)]


def llava(folder: Path) -> Set:
    picture(folder / "images" / "vg" / "VG_100K" / "1.jpg")
    vg = {"id": "VG_100K/1", "image": "vg/VG_100K/1.jpg"}
    where = "Please provide the bounding box coordinate of the region this sentence describes: a red bus."
    what = "Please provide a short description for this region: [0.25, 0.25, 0.5, 0.5]."
    said = [
        {"id": "1", "image": "coco/train2017/1.jpg",
         "conversations": turns("<image>\nWhat is it?", "A bus.", "Its colour?", "Red.")},
        {"id": "2", "model": "", "conversations": turns("Write a poem.", "No.\n\nWell <b>.")},
        vg | {"conversations": turns("<image>\n" + where, "[0.25, 0.25, 0.5, 0.5]", what, "A red bus.")},
        {"id": "4", "image": "a.jpg", "conversations": turns("Hello?")},
        vg | {"conversations": turns("<image>\nIs [0.1, 0.1, 0.2, 0.2] red?", "Yes.")},
        vg | {"image": "gone.jpg", "conversations": turns(what, "A bus.")},
    ]  # fmt: skip
    texts = ["Its colour?", "Write a poem.", "Box a red bus", "Describe the region"]
    reasons = ["[3]: 1 turns", "[4]: a box as text in words that are not known", "gone.jpg' cannot be read"]
    return Set(put(folder / "llava_v1_5_mix665k.json", said), texts, reasons, folder / "images")


def llava_cot(folder: Path) -> Set:
    answer = "<SUMMARY> I look. </SUMMARY>\n\n<CAPTION> A bus. </CAPTION>\n\n<REASONING> Red. </REASONING>\n\n"
    said = [
        {"id": "a", "image": "sqa/a.png", "conversations": turns("What?", answer + "<CONCLUSION> B </CONCLUSION>")},
        {"id": "b", "image": "sqa/b.png", "conversations": turns("What?", answer)},
        {"id": "c", "conversations": turns("What?", answer + "<CONCLUSION> B </CONCLUSION>")},
    ]
    reasons = ["2: an answer without its CONCLUSION", "3: 'image' is missing"]
    return Set(put(folder / "train.jsonl", said), ["What?"], reasons)


def reason_seg(folder: Path) -> Set:
    def shape(label: str, points: list[list[float]]) -> dict[str, Any]:
        said = {"label": label, "labels": [label], "shape_type": "polygon", "image_name": "1.jpg", "points": points}
        return said | {"group_id": None, "group_ids": [None], "flags": {}}

    whole, hole = [[20, 10], [50, 10], [50, 30], [20, 30]], [[30, 15], [40, 15], [40, 20], [30, 20]]
    shapes = [shape("ignore", hole), shape("target", whole), shape("flag", [[0, 0], [64, 0], [64, 48]])]
    for name in ("1", "2", "3"):
        picture(folder / f"{name}.jpg")
    put(folder / "1.json", {"text": ["Who leads?"], "is_sentence": True, "shapes": shapes})
    put(folder / "2.json", {"text": ["the food rich in vitamins"], "is_sentence": False, "shapes": shapes[1:2]})
    put(folder / "3.json", {"text": ["x"], "is_sentence": False, "shapes": shapes[2:]})
    put(folder / "4.json", "{")
    texts = ["Who leads? Segment it.", "Segment the food rich in vitamins"]
    return Set(folder, texts, ["3.json: the mask of '' is empty", "4.json: labels"])


def lisa_plus(folder: Path) -> Set:
    put(folder / "instances_train2017.json", INSTANCES)
    name = "COCO_train2014_000000000001.jpg"
    record = {"img_path": name, "English Question": "Who could help to carry this?", "ID": ["11", "12"], "points": {}}
    said = [record, record | {"ID": []}, record | {"ID": ["11", "13"]}, record | {"ID": ["77"]}]
    reasons = ["images[2]", "[1]: 0 objects", "[2]: annotations ['11', '13'] are not all of", "[3]: '77' is missing"]
    return Set(put(folder / "data.json", said), ["Who could help to carry this?"], reasons)


def humanref(folder: Path) -> Set:
    picture(folder / "images" / "a.jpg")
    boxes = [[20, 10, 50, 30]]
    line = {"id": 1, "image_name": "a.jpg", "domain": "attribute", "sub_domain": "1000_attribute_retranslated"}
    line |= {"referring": "person in red", "candidate_boxes": [*boxes, [1, 1, 9, 9]], "answer_boxes": boxes}
    said = [line, line | {"domain": "rejection", "answer_boxes": []}, line | {"answer_boxes": [[1, 2, 3]]},
            line | {"image_name": "gone.jpg"}]  # fmt: skip
    reasons = ["3: a box of 3 values", "gone.jpg' cannot be read"]
    return Set(put(folder / "annotations.jsonl", said), ["Box person in red"] * 2, reasons, folder / "images")


SETS: dict[str, tuple[str, Callable[[Path], Set]]] = {
    write.__name__: (converter or write.__name__, write)
    for write, converter in (
        (refcoco, ""), (grefcoco, ""), (coco_stuff, ""), (stuffthingmaps, "coco_stuff"), (ade20k, ""), (paco_lvis, ""),
        (pascal_part, ""), (vlpart, "pascal_part"),
        (visual_genome, ""), (pixmo_points, ""), (llava, ""), (llava_cot, ""), (reason_seg, ""),
        (lisa_plus, ""), (humanref, ""), (coco_objects, ""),
    )
}  # fmt: skip
"""name -> converter and what writes the set into a folder"""
