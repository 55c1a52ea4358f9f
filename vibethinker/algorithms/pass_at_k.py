"""Pass@K from n >= K samples a question: the unbiased estimator (Chen et al. 2021, arXiv 2107.03374, section 2.1)."""

import numpy as np
import numpy.typing as npt


def pass_at_k(n: npt.ArrayLike, c: npt.ArrayLike, k: int) -> npt.NDArray[np.float64]:
    """Chance that at least one of k samples, drawn without replacement from n with c correct ones, is correct.

    1 - C(n-c, k) / C(n, k), as the product over j < k of (n-c-j) / (n-j): every factor lies in [0, 1], so nothing
    overflows, and the ends are exact (0 where c = 0, 1 where fewer than k are wrong). n and c broadcast: [questions].
    Raises ValueError unless 1 <= k <= n and 0 <= c <= n.
    """
    total, correct = np.broadcast_arrays(np.asarray(n, np.int64), np.asarray(c, np.int64))
    if k < 1 or (total < k).any():
        raise ValueError(
            f"Pass@{k} needs k >= 1 and at least k samples a question, got n = {np.min(total)}; sample more"
        )
    if (correct < 0).any() or (correct > total).any():
        raise ValueError("correct samples must lie between 0 and n for every question")
    miss = np.ones(total.shape)
    for j in range(k):
        miss *= np.maximum(total - correct - j, 0) / (total - j)
    return 1.0 - miss
