"""What a policy may permit: each method of the contract names its permission."""

import re

PERMISSION = re.compile(r'option \(paylink\.annotations\.v1\.permission\) = "([a-z_.]+)"')


def known(folder):
    """Returns every permission in the protos of a folder, and what stands for several."""
    found = {it for proto in folder.glob("*.proto") for it in PERMISSION.findall(proto.read_text())}
    if not found:
        raise ValueError(f"no method in {folder} names its permission")
    groups = {f"{it.partition('.')[0]}.*" for it in found}
    return ["*", *sorted(found | groups)]
