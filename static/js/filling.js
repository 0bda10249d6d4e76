// Putting what was said back into the fields of a form.

export function fill(fields, said) {
  for (const field of fields) {
    const values = said.getAll(field.name);
    if (["checkbox", "radio"].includes(field.type)) field.checked = values.includes(field.value);
    else if (field.type === "select-multiple") for (const option of field.options) option.selected = values.includes(option.value);
    else field.value = values[0] ?? "";
  }
}
