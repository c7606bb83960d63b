"""The app, but nobody answers what a page asks the network: for what needs no answer, without a second of PyTorch."""

from app import probe
from app.main import main
from tests.test_pages import PatientProbe

probe.shared = PatientProbe  # type: ignore[assignment]
main()
