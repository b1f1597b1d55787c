from __future__ import annotations

import subprocess
import sys


def test_gate_and_command_line_need_neither_spark_nor_boto3() -> None:
    """Reading manifests, contracts and lineage needs no engine."""
    code = (
        "import sys\n"
        "for name in ('pyspark', 'pyarrow', 'numpy', 'boto3', 'botocore', 'pysail', 'deltalake'):\n"
        "    sys.modules[name] = None\n"
        "import custody.etl.contract, custody.etl.lineage, custody.etl.manifest\n"
        "import custody.etl.parameters, custody.etl.quality, custody.etl.records, custody.etl.source\n"
        "import custody.etl.delta, custody.etl.store\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_neither_lambda_nor_glue_needs_yaml() -> None:
    """Lambda and Glue have no PyYAML: manifests are read and written without, contracts as JSON."""
    code = "import sys\nsys.modules['yaml'] = None\nimport custody.etl.manifest, custody.etl.lineage\n"
    code += "from custody.etl.contract import parse_contract\n"
    code += 'parse_contract(\'{"table":"a","meaning":"","key":["b"],"columns":[{"name":"b","type":"string",'
    code += '"meaning":"","required":true}]}\')'
    subprocess.run([sys.executable, "-c", code], check=True)


def test_hashing_again_needs_only_what_glue_has() -> None:
    """Glue installs the wheel without its dependencies."""
    code = (
        "import sys\n"
        "for name in ('msgspec', 'cryptography', 'securesystemslib', 'rich', 'isal', 'typer'):\n"
        "    sys.modules[name] = None\n"
        "import custody.verify.rehash, custody.etl.store, custody.etl.parameters\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
