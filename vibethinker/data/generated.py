"""Problems that a seeded generator of this package makes. Light: nothing here reads files."""

from collections.abc import Iterator, Mapping
from itertools import islice

from vibethinker.config.data import SourceSettings
from vibethinker.data.generators import generate
from vibethinker.errors import ConfigError, DataError
from vibethinker.records import Problem, VerifierName


def generated(source: SourceSettings, domain: str, domains: Mapping[str, VerifierName]) -> Iterator[Problem]:
    """The source's window of the domain's stream: `limit` problems after the first `skip`.

    ConfigError where the generator makes other problems than `domains` says, DataError where it has too few.
    """
    wanted = verifier_of(source, domain, domains)
    stream = generate(source.generator, domain, source.seed, source.name)
    try:
        for problem in islice(stream, source.skip, source.skip + source.limit):
            if problem.verifier != wanted:
                raise ConfigError(
                    f"source {source.name!r}: generator {source.generator!r} makes {problem.verifier} problems in domain "
                    f"{domain!r}, whose verifier is {wanted!r} in the profile; correct domains.{domain}"
                )
            yield problem
    except DataError as error:
        window = f"skip {source.skip} + limit {source.limit}"
        raise DataError(f"source {source.name!r} asks for {window} problems: {error}") from error


def verifier_of(source: SourceSettings, domain: str, domains: Mapping[str, VerifierName]) -> VerifierName:
    """The verifier of a domain of the profile; ConfigError where it has no such domain."""
    if domain not in domains:
        raise ConfigError(
            f"source {source.name!r} names domain {domain!r}, not among the profile's domains {sorted(domains)}; "
            "correct the source's domain or domain_map"
        )
    return domains[domain]
