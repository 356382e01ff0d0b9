"""The specs of the datasets that come with the package; nothing heavy is imported here."""

from typing import Any

from lcd_plugin.plugins.specs import DatasetSpec

BY_FOLD = "official folds: 1-8 training, 9 validation, 10 test"
BY_HASH = "70 / 15 / 15 % of the patients by a hash of their id"
NO_PATIENTS = "no ids are published: every record counts as a patient"

CHALLENGE: dict[str, Any] = {
    "release": "1.0.3",
    "source": "https://physionet.org/files/challenge-2021/1.0.3/",
    "folder": "challenge-2021",
    "licence": "CC BY 4.0",
    "patients": NO_PATIENTS,
    "splits": "70 / 15 / 15 % of the records by a hash of their name",
}
SCORED = "the 26 scored classes of the PhysioNet Challenge 2021, equivalent SNOMED CT codes merged"

SYNTHETIC = DatasetSpec(
    name="synthetic",
    implementation="lcd_plugin.data.cohorts.synthetic:Synthetic",
    summary="Embedded 12-lead ECGs from a dipole model, several diagnoses, seeded",
    needs_path=False,
    labels="the conditions that a record was made with",
    patients="synthetic patients of one to three records",
    splits="70 / 15 / 15 % of the patients",
    # Raise it when the same seed gives other records than before.
    version=1,
)
PTBXL = DatasetSpec(
    name="ptbxl",
    implementation="lcd_plugin.data.cohorts.ptbxl:PTBXL",
    summary="PTB-XL in its own layout: diagnoses, form and rhythm, official folds",
    paper="https://doi.org/10.1038/s41597-020-0495-6",
    licence="CC BY 4.0",
    release="1.0.3",
    source="https://physionet.org/files/ptb-xl/1.0.3/",
    labels="SCP statements of any likelihood, grouped by scp_statements.csv",
    patients="patient_id of ptbxl_database.csv",
    splits=BY_FOLD,
    version=2,
)
CHALLENGE2021 = DatasetSpec(
    name="challenge2021",
    implementation="lcd_plugin.data.cohorts.challenge2021:Challenge2021",
    summary="PhysioNet Challenge 2021 without PTB-XL, PTB and INCART, 26 scored classes",
    paper="https://doi.org/10.23919/CinC53138.2021.9662687",
    part="training",
    labels=SCORED,
    **CHALLENGE,
)
CPSC2018 = DatasetSpec(
    name="cpsc2018",
    implementation="lcd_plugin.data.cohorts.cpsc2018:CPSC2018",
    summary="China Physiological Signal Challenge 2018: 9 rhythm and morphology classes",
    paper="https://doi.org/10.1166/jmihi.2018.2442",
    part="training/cpsc_2018",
    labels="the 9 classes of CPSC 2018 by their SNOMED CT codes",
    **CHALLENGE,
)
CPSC2018_EXTRA = DatasetSpec(
    name="cpsc2018-extra",
    implementation="lcd_plugin.data.cohorts.cpsc2018_extra:CPSC2018Extra",
    summary="Records of CPSC 2018 that were not used in it, 26 scored classes",
    paper="https://doi.org/10.23919/CinC53138.2021.9662687",
    part="training/cpsc_2018_extra",
    labels=SCORED,
    **CHALLENGE,
)
CHAPMAN = DatasetSpec(
    name="chapman",
    implementation="lcd_plugin.data.cohorts.chapman:Chapman",
    summary="Chapman-Shaoxing: 4 merged rhythm classes, and the scored classes",
    paper="https://doi.org/10.1038/s41597-020-0386-x",
    part="training/chapman_shaoxing",
    labels="rhythms merged into AFIB, GSVT, SB and SR as by Zheng et al. (2020), and " + SCORED,
    **CHALLENGE,
)
NINGBO = DatasetSpec(
    name="ningbo",
    implementation="lcd_plugin.data.cohorts.ningbo:Ningbo",
    summary="Ningbo First Hospital: the LCD paper's pretraining records, 26 scored classes",
    paper="https://doi.org/10.1038/s41598-020-59821-7",
    part="training/ningbo",
    labels=SCORED,
    **CHALLENGE,
)
GEORGIA = DatasetSpec(
    name="georgia",
    implementation="lcd_plugin.data.cohorts.georgia:Georgia",
    summary="Georgia 12-lead ECG Challenge Database, 26 scored classes",
    paper="https://doi.org/10.22489/CinC.2020.236",
    part="training/georgia",
    labels=SCORED,
    **CHALLENGE,
)
PTB = DatasetSpec(
    name="ptb",
    implementation="lcd_plugin.data.cohorts.ptb:PTB",
    summary="PTB Diagnostic ECG Database in the challenge's layout",
    paper="https://doi.org/10.1515/bmte.1995.40.s1.317",
    part="training/ptb",
    labels="infarction or healthy control by their SNOMED CT codes",
    **{**CHALLENGE, "patients": NO_PATIENTS + ", though the records are of 290 people"},
)
LUDB = DatasetSpec(
    name="ludb",
    implementation="lcd_plugin.data.cohorts.ludb:LUDB",
    summary="Lobachevsky University database: 200 records, rhythms and diagnoses",
    paper="https://doi.org/10.1109/ACCESS.2020.3029211",
    licence="ODC-By 1.0",
    release="1.0.1",
    source="https://physionet.org/files/ludb/1.0.1/",
    labels="statements of ludb.csv, merged into 6 classes of diagnoses and 4 of rhythms",
    patients="every record is of a patient of its own",
    splits=BY_HASH,
)
MIMIC_IV_ECG = DatasetSpec(
    name="mimic-iv-ecg",
    implementation="lcd_plugin.data.cohorts.mimic_iv_ecg:MIMICIVECG",
    summary="MIMIC-IV-ECG: 800,000 diagnostic ECGs, labels from machine reports",
    paper="https://doi.org/10.13026/4nqg-sb35",
    licence="ODbL 1.0",
    release="1.0",
    source="https://physionet.org/files/mimic-iv-ecg/1.0/",
    labels="rhythms that the machine's report states without doubt",
    patients="subject_id of record_list.csv",
    splits=BY_HASH,
)
CODE15 = DatasetSpec(
    name="code15",
    implementation="lcd_plugin.data.cohorts.code15:CODE15",
    summary="CODE-15%: 345,779 ECGs in HDF5 parts, 6 abnormalities (needs the extra `code15`)",
    paper="https://doi.org/10.1038/s41467-020-15432-4",
    licence="CC BY 4.0",
    release="1.0.0",
    labels="the six abnormalities of exams.csv, and normal_ecg; half of the exams have none",
    patients="patient_id of exams.csv",
    splits=BY_HASH,
)
WFDB = DatasetSpec(
    name="wfdb",
    implementation="lcd_plugin.data.cohorts.wfdb_folder:WFDBFolder",
    summary="Any folder of WFDB records with a CSV of labels",
    labels="a column of the CSV",
    patients="a column of the CSV; without one every record counts as a patient",
    splits="a column of the CSV, or " + BY_HASH,
)
NUMPY = DatasetSpec(
    name="numpy",
    implementation="lcd_plugin.data.cohorts.numpy_folder:NumpyFolder",
    summary="NumPy arrays of records with a CSV of labels",
    labels="a column of the CSV",
    patients="a column of the CSV; without one every record counts as a patient",
    splits="a column of the CSV, or " + BY_HASH,
)
