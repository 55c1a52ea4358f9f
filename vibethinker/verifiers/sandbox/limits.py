"""What one untrusted program may use. Every limit has a defined verdict: `incorrect`."""

from pydantic import BaseModel, ConfigDict, Field

MIB = 1024 * 1024


class CodeLimits(BaseModel):
    """Limits of one program together with all its tests."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    cpu_seconds: int = Field(default=2, ge=1)
    """CPU time, start of the interpreter included: this decides, so that verdicts do not depend on load."""
    wall_seconds: float = Field(default=10.0, gt=0)
    """Backstop for programs that sleep."""
    memory_bytes: int = Field(default=256 * MIB, ge=64 * MIB)
    """Address space."""
    threads: int = Field(default=16, ge=1)
    """Threads; child processes are refused altogether. The kernel does not bound root's, where memory does."""
    file_bytes: int = Field(default=MIB, ge=0)
    """Size of one file the program writes."""
    scratch_bytes: int = Field(default=8 * MIB, ge=4096)
    """Size of its /tmp, the only place it can write to."""
    open_files: int = Field(default=32, ge=8)
    """File descriptors."""
    output_bytes: int = Field(default=MIB, ge=1024)
    """Returned values, as text, of all tests together; what the program prints is thrown away inside the sandbox."""
    program_characters: int = Field(default=100_000, ge=1)
    """Length of the program's source."""
