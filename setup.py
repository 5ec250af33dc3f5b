"""What relx is called, what it needs, and the command it installs."""

from pathlib import Path

from setuptools import find_packages, setup

README = Path(__file__).with_name("README.md")

# The lower bounds are versions with which the tests pass: `make test-lowest` installs the lowest of
# them, and sees. What `make` installs are the newest, which the lock files pin.
RUN_TIME = [
    "click>=8.1.7",
    "huggingface_hub>=0.26",
    "keras>=3.12",  # ops.view
    "keras-nlp>=0.19",
    "numpy>=1.26",
    "pandas>=2.2",
    "pydantic>=2.7",
    "PyYAML>=6.0.1",
    "rich>=13.7",
    "safetensors>=0.4.3",
    "scikit-learn>=1.4",
    "tensorboard>=2.18",
    "tensorflow>=2.18",
    "tokenizers>=0.21",
    "transformers>=4.48",
]
# What a machine needs beyond the above, which holds TensorFlow for CPUs.
JAX = ["jax>=0.6.2"]  # 0.4.35 crashes where a fit goes on from a checkpoint
EXTRAS = {
    "gpu": ["tensorflow[and-cuda]>=2.18"],
    "jax": JAX,
    "jax-gpu": ["jax[cuda12]>=0.6.2"],
    "torch": ["torch>=2.4"],
    # On Python 3.13 its converter fails for TensorFlow's models, and Keras predicts.
    "cpu": ["openvino>=2025.0; python_version < '3.13'"],
    "look": [
        "Jinja2>=3.1.3",
        "kiwipiepy>=0.20",
        "koreanize-matplotlib>=0.1.1",  # for its font
        "matplotlib>=3.8",
        "wordcloud>=1.9.3",
    ],
    "search": ["optuna>=4.2"],
    "tables": ["openpyxl>=3.1", "pyarrow>=18.1"],
    "docs": ["mkdocs-material>=9.8"],
}
TEST = [
    *JAX,
    *EXTRAS["cpu"],
    *EXTRAS["look"],
    *EXTRAS["tables"],
    *EXTRAS["search"],
    "build>=1.6",
    "hypothesis>=6.170",
    "import-linter>=2.16",
    "mypy>=2.4",
    "pandas-stubs>=3.1",
    "peft>=0.21",
    "pytest>=9.2",
    "pytest-xdist>=3.8",
    "ruff>=0.17",
    "selenium>=4.51",
    "torch==2.13.0",
    "types-PyYAML>=6.0",
    "uv>=0.13",
]
# What is imported: a folder of these names, and each one inside it that has an __init__.py.
PACKAGES = ["relx", "relx_cli", "tapt", "recipes", "sample"]

setup(
    name="relx",
    version="0.1.0",
    description="Relation extraction from CSV files to a submission, in Keras, with TAPT",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        *(f"Programming Language :: Python :: {version}" for version in ("3.11", "3.12", "3.13")),
    ],
    python_requires=">=3.11",
    packages=find_packages(include=[*PACKAGES, *(f"{name}.*" for name in PACKAGES)]),
    package_data={
        "": ["static/*", "templates/*"],
        "recipes": ["*.yaml"],
        "sample": ["*"],
        "sample.emotion": ["*"],
    },
    install_requires=RUN_TIME,
    extras_require={**EXTRAS, "test": TEST},
    entry_points={"console_scripts": ["relx = relx_cli.main:main"]},
)
