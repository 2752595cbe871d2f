import pytest

pytest.register_assert_rewrite("broker.conformance")
