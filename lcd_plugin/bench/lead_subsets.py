"""Which leads of the prepared records an encoder is shown."""

from __future__ import annotations

from lcd_plugin.bench.suite import ALL_LEADS
from lcd_plugin.data.leads import LEAD_SUBSETS
from lcd_plugin.errors import ConfigError


def leads_of(subset: str, prepared: tuple[str, ...]) -> list[int]:
    """Places of the leads of a subset among the prepared ones.

    Args:
        subset: `all`, a name of `LEAD_SUBSETS`, or one lead.
        prepared: leads of the store, in its order.

    Raises:
        ConfigError: a lead was not prepared.
    """
    if subset == ALL_LEADS:
        return list(range(len(prepared)))
    wanted = LEAD_SUBSETS.get(subset, (subset,))
    missing = [lead for lead in wanted if lead not in prepared]
    if missing:
        raise ConfigError(
            f"The lead subset '{subset}' needs {', '.join(missing)}, and data.leads has "
            f"{', '.join(prepared)}; add what is missing to data.leads, or leave the subset out."
        )
    return [prepared.index(lead) for lead in wanted]
