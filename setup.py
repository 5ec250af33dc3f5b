"""What relx is called, what it needs, and the command it installs."""

from pathlib import Path

from setuptools import setup

README = Path(__file__).with_name("README.md")

# Lower bounds are the versions that the tests have run with; the lock files pin them.
RUN_TIME = [
    "click>=8.5",
    "huggingface_hub>=2.4",
    "keras>=3.15",
    "keras-nlp>=0.32",
    "numpy>=2.4",
    "pandas>=3.1",
    "pydantic>=2.14",
    "PyYAML>=6.0.3",
    "rich>=15.0",
    "safetensors>=0.8",
    "scikit-learn>=1.9",
    "tensorboard>=2.21",
    "tensorflow>=2.21",
    "tokenizers>=0.23.3",
    "transformers>=5.23",
]
# What a machine needs beyond the above, which holds TensorFlow for CPUs.
JAX = ["jax>=0.10"]
EXTRAS = {
    "gpu": ["tensorflow[and-cuda]>=2.21"],
    "jax": JAX,
    "jax-gpu": ["jax[cuda12]>=0.10"],
    "torch": ["torch>=2.13"],
    "cpu": ["openvino>=2026.4"],
    "look": [
        "Jinja2>=3.1.6",
        "kiwipiepy>=0.24",
        "koreanize-matplotlib>=0.1.1",  # for its font
        "matplotlib>=3.11",
        "wordcloud>=1.9.6",
    ],
    "docs": ["mkdocs-material>=9.8"],
}
TEST = [
    *JAX,
    *EXTRAS["cpu"],
    *EXTRAS["look"],
    "hypothesis>=6.170",
    "import-linter>=2.16",
    "mypy>=2.4",
    "pandas-stubs>=3.1",
    "pytest>=9.2",
    "pytest-xdist>=3.8",
    "ruff>=0.17",
    "selenium>=4.51",
    "torch==2.13.0",
    "types-PyYAML>=6.0",
]

PACKAGES = [
    "relx",
    "relx.data",
    "relx.devices",
    "relx.devices.backends",
    "relx.engines",
    "relx.look",
    "relx.look.relation",
    "relx.look.relation.eda",
    "relx.models",
    "relx.models.encoder",
    "relx.models.encoder.architectures",
    "relx.models.encoder.families",
    "relx.models.encoder.tokenizers",
    "relx.runs",
    "relx.scoring",
    "relx.tasks",
    "relx.tasks.relation",
    "relx.training",
    "relx_cli",
    "tapt",
    "recipes",
]

setup(
    name="relx",
    version="0.1.0",
    description="Relation extraction from CSV files to a submission, in Keras, with TAPT",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=PACKAGES,
    package_data={"recipes": ["*.yaml"], "": ["static/*", "templates/*"]},
    install_requires=RUN_TIME,
    extras_require={**EXTRAS, "test": TEST},
    entry_points={"console_scripts": ["relx = relx_cli.main:main"]},
)
