"""Writes the default release anew, for review of its diff."""

import chart

(chart.ROOT / "tests" / "defaults.yaml").write_text(chart.text())
