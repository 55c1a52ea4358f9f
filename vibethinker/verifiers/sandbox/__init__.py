"""Untrusted programs run here and nowhere else: bubblewrap namespaces, a system call filter, resource limits."""

from vibethinker.verifiers.sandbox.bubblewrap import Run, SandboxFailure, require_sandbox, run_calls, sandbox_problem
from vibethinker.verifiers.sandbox.limits import CodeLimits

__all__ = ["CodeLimits", "Run", "SandboxFailure", "require_sandbox", "run_calls", "sandbox_problem"]
