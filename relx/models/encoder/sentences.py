"""Sentences to look at an encoder with: a user's, or eight Korean ones."""

from __future__ import annotations

from pathlib import Path

from relx.faults import Fault, InputError

SENTENCES = (
    "가람은 나루시에서 태어났다.",
    "새벽신문 기자 다온은 그 해에 바다대학교를 졸업하고 한 달 뒤 고향으로 돌아왔다.",
    "물가가 3.5% 올랐다고 통계를 맡은 기관이 12일 밝혔다.",
    "“아직 아무것도 정해지지 않았습니다.” 회사 쪽은 짧게 답했다.",
    "그 영화는 (감독의 말로는) 비 오는 밤에 세 시간 만에 찍은 것이라고 한다.",
    "솔빛전자와 한울건설은 지난해 이맘때 공동으로 연구소를 세웠으나, 자금이 모자라 반년을 넘기지 "
    "못하고 문을 닫았으며 직원 사백 명 가운데 절반은 다른 도시로 옮겨 갔다.",
    "K-pop 그룹 ‘마루’의 첫 앨범 Blue Hour가 나왔다.",
    "네.",
)


def read_sentences(path: Path) -> list[str]:
    """Reads texts: one a line; empty lines are skipped.

    Args:
        path: A text file in UTF-8.

    Returns:
        The texts.

    Raises:
        InputError: The file does not exist, is not text, or is empty.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        what = "this file of sentences cannot be read"
        received = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(Fault(what, str(path), str(received))) from error
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise InputError(Fault("this file has no sentences", str(path)))
    return texts
