"""What `bubi node check` says of certificates."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from bubi.network import certificates
from bubi.node import inspection

NOW = 1_760_000_000_000


def test_an_authority_that_was_renewed_under_another_name_signed_what_it_signed(
    tmp_path: Path,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    old = certificates.create_authority("Org One", key, NOW)
    new = certificates.create_authority("Org 1", key, NOW)
    own = ec.generate_private_key(ec.SECP256R1())
    request = certificates.create_request("n1", "Org 1", own)
    path = tmp_path / "certificate.pem"
    path.write_bytes(certificates.pem(certificates.sign_request(request, new, key, NOW)))
    authorities = [x509.load_der_x509_certificate(one) for one in (old, new)]
    assert list(inspection._signature(path, authorities)) == []
    (damage,) = inspection._signature(path, authorities[:1])
    assert damage.file == str(path)
