"""The built-in datasets by name; nothing heavy is imported here."""

from lcd_plugin.plugins.specs import DatasetSpec

SYNTHETIC = DatasetSpec(
    name="synthetic",
    implementation="lcd_plugin.data.cohorts.synthetic:Synthetic",
    summary="Embedded 12-lead ECGs from a dipole model, several diagnoses, seeded",
    needs_path=False,
    # Raise it when the same seed gives other records than before.
    version=1,
)
PTBXL = DatasetSpec(
    name="ptbxl",
    implementation="lcd_plugin.data.cohorts.ptbxl:PTBXL",
    summary="PTB-XL in its own layout: 5 diagnostic superclasses, official folds",
    paper="https://doi.org/10.1038/s41597-020-0495-6",
    licence="CC BY 4.0",
)
WFDB = DatasetSpec(
    name="wfdb",
    implementation="lcd_plugin.data.cohorts.wfdb_folder:WFDBFolder",
    summary="Any folder of WFDB records with a CSV of labels",
)
