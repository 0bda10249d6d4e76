// Times in the zone of the browser. It is told to the server, which writes later pages in it.

const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
const two = (number) => String(number).padStart(2, "0");

/** As the server writes it: UTC, UTC+8, UTC-3:30. */
function offset(when) {
  const east = -when.getTimezoneOffset();
  const [hours, minutes] = [Math.floor(Math.abs(east) / 60), Math.abs(east) % 60];
  return east ? `UTC${east > 0 ? "+" : "-"}${hours}${minutes ? `:${two(minutes)}` : ""}` : "UTC";
}

function localise(time) {
  const when = new Date(time.dateTime);
  const day = `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())}`;
  time.firstChild.data = `${day} ${two(when.getHours())}:${two(when.getMinutes())} `;
  time.querySelector(".zone").textContent = offset(when);
}

if (timeZone && timeZone !== document.documentElement.dataset.zone) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `timezone=${timeZone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  document.querySelectorAll("time").forEach(localise);
}
