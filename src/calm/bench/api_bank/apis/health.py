"""The clinic: appointments, health records of a user, what a symptom may mean."""

from typing import Any

from calm.bench.api_bank.apis.base import (
    API,
    Fault,
    Refusal,
    State,
    alike,
    checked,
    day,
    folded,
    is_named,
    moment,
    optional,
    padded,
    raised,
)

# --- appointments --------------------------------------------------------------------------------------------------


def appointment_registration(state: State, patient_name: str, date: str, doctor_name: str) -> str:
    """The id of a new appointment, drawn at random upstream; one patient has one appointment a day."""
    patient, doctor = patient_name.strip(), doctor_name.strip()
    if not patient or not doctor:
        raise Refusal("it needs a patient and a doctor")
    when, appointments = day(date), state["Appointments"]
    if any(one["patient_name"] == patient and day(one["date"]) == when for one in appointments.values()):
        raise Refusal(f"the patient has an appointment on {when}")
    key = state.draw(len(appointments), 8)
    appointments[key] = {"patient_name": patient, "date": when, "doctor_name": doctor}
    return key


def query_registration(state: State, patient_name: str, date: str) -> dict[str, dict[str, str]]:
    """A patient's appointments on a day, by id."""
    patient, when = patient_name.strip(), day(date)
    appointments = state["Appointments"].items()
    found = {key: one for key, one in appointments if one["patient_name"] == patient and day(one["date"]) == when}
    if not found:
        raise Refusal("no appointment")
    return found


def cancel_registration(state: State, appointment_id: str) -> str:
    """The appointment is gone."""
    if state["Appointments"].pop(appointment_id.strip(), None) is None:
        raise Refusal("there is no such appointment")
    return "success"


def modify_registration(
    state: State, appointment_id: str, new_appointment_date: str | None, new_appointment_doctor: str | None
) -> str:
    """Another day or doctor; whatever is given must differ from what was."""
    appointment = state["Appointments"].get(appointment_id.strip())
    if appointment is None:
        raise Refusal("there is no such appointment")
    wanted = {"date": optional(day)(new_appointment_date), "doctor_name": optional(str.strip)(new_appointment_doctor)}
    change = {key: value for key, value in wanted.items() if value is not None}
    same = [key for key, value in change.items() if appointment[key] == value or not value]
    if not change or same:
        raise Refusal(f"no other {' or '.join(same or wanted)} given")
    appointment.update(change)
    return "success"


# --- health records ------------------------------------------------------------------------------------------------


def record_health_data(state: State, user_id: str, time: str, health_data: Any) -> str:
    """Measurements of a user at a time; those of a time already there are added to it."""
    user, when = _user(user_id), moment(time)
    values = _measured(health_data)
    records = state["HealthData"].setdefault(user, [])
    record = next((one for one in reversed(records) if one["time"] == when), None)
    if record is None:
        records.append({"time": when, **values})
    else:
        record.update(values)
    return "success"


def _user(user_id: str) -> str:
    user = raised(user_id)
    if not user:
        raise Refusal("it needs a user")
    return user


def _measured(health_data: Any) -> dict[str, Any]:
    if not health_data or not all(map(is_named, health_data)):
        raise Refusal("health data are a list of names and values")
    names = [item["name"] for item in health_data]
    if len(set(names)) < len(names):
        raise Refusal("the same measurement twice")
    if any("value" not in item for item in health_data):
        raise Refusal("a measurement needs a value")
    return {item["name"]: item["value"] for item in health_data}


def query_health_data(state: State, user_id: str, start_time: str, end_time: str) -> list[dict[str, Any]]:
    """A user's records between two times, both included."""
    user, start, end = _user(user_id), padded(start_time), padded(end_time)
    if start > end:
        raise Refusal("the start is after the end")
    if user not in state["HealthData"]:
        raise Refusal("there is no such user")
    found = [record for record in state["HealthData"][user] if start <= checked(record["time"]) <= end]
    if not found:
        raise Refusal("no records in that time")
    return found


# --- symptoms ------------------------------------------------------------------------------------------------------


def _looked_up(state: State, symptom: str, field: str) -> list[dict[str, str]]:
    found = state.initial["Symptom"].get(folded(symptom))
    if found is None:
        raise Refusal("the symptom is not known")
    return [{"name": disease["name"], field: disease[field]} for disease in found]


def symptom_search(state: State, symptom: str) -> list[dict[str, str]]:
    """The diseases that a symptom may mean, described."""
    return _looked_up(state, symptom, "description")


def emergency_knowledge(state: State, symptom: str) -> list[dict[str, str]]:
    """The diseases that a symptom may mean, with first aid."""
    return _looked_up(state, symptom, "aid")


def symptom_read(symptom: str) -> str:
    """A symptom in lower case; upstream's comparison itself breaks on an empty one."""
    if not symptom.strip():
        raise Fault("CRASH")
    return folded(symptom)


APIS = {
    "AppointmentRegistration": API(
        "patient_name date doctor_name",
        appointment_registration,
        alike("exception", patient_name=str.strip, date=day, doctor_name=str.strip),
    ),
    "QueryRegistration": API("patient_name date", query_registration, alike(patient_name=str.strip, date=day)),
    "CancelRegistration": API("appointment_id", cancel_registration, alike(appointment_id=str.strip)),
    "ModifyRegistration": API(
        "appointment_id new_appointment_date= new_appointment_doctor=",
        modify_registration,
        alike(
            appointment_id=str.strip,
            new_appointment_date=optional(day),
            new_appointment_doctor=optional(str.strip),
        ),
    ),
    "RecordHealthData": API("user_id time health_data:list=", record_health_data, alike(user_id=raised, time=moment)),
    "QueryHealthData": API(
        "user_id start_time end_time",
        query_health_data,
        alike(user_id=raised, start_time=padded, end_time=padded),
    ),
    "SymptomSearch": API("symptom", symptom_search, alike(symptom=symptom_read)),
    "EmergencyKnowledge": API("symptom", emergency_knowledge, alike(symptom=symptom_read)),
}
