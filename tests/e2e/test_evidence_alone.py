"""Deployed without a data set: a file arrives, is recorded, and every claim about it holds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from scripts.demo.pipeline import deployed
from scripts.toolchain.toolchain import BUILD


def test_evidence_without_a_table(tmp_path: Path) -> None:
    work_dir = BUILD / "test" / "evidence-alone"
    shutil.rmtree(work_dir, ignore_errors=True)
    with deployed(work_dir, lambda _: None, variables={"datasets": []}) as pipeline:
        assert pipeline.datasets == []
        assert "gate" not in pipeline.deployment.functions
        file = tmp_path / "letter.txt"
        file.write_text("Dear auditor")
        place = f"s3://{pipeline.deployment.buckets['raw-data']}/incoming/letters/"
        who = {"role": "people-producer", "session": "alice@example.com"}
        done = pipeline.custody("upload", str(file), "--to", place, "--wait", **who)
        assert done.returncode == 0, done.stderr
        pipeline.deliver_trail()
        done = pipeline.custody("verify", "--format", "json")
        document = json.loads(done.stdout)
        assert (done.returncode, document["findings"]) == (0, []), done.stderr
        for claim in ("object.hash", "receipt.signature", "receipt.unique", "trail.event"):
            assert document["claims"][claim]["passed"] >= 1, claim
        for command in ("ledger", "doctor"):
            done = pipeline.custody(command)
            assert done.returncode == 0, done.stdout + done.stderr
