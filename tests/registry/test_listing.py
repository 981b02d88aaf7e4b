from __future__ import annotations

import subprocess
import sys


def test_listing_models_imports_no_torch() -> None:
    code = (
        "import sys, flowzoo\n"
        "assert 'mrcnf' in flowzoo.list_models()\n"
        "assert flowzoo.list_models('gauss*') == ['gaussian']\n"
        "assert issubclass(flowzoo.OptionError, flowzoo.FlowzooError)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
