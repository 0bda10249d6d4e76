// The fields that the scripts read and write. The template says which is which: the names under
// which they are sent are known to the server alone.

export const fieldOf = (part, field) => part.querySelector(`[data-field="${field}"]`);
