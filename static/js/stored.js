// The page after a change that was sent: it says that the change is stored, and then it need not
// be kept in the browser any more.
import { forgetSent } from "./desk/drafts.js";

forgetSent({ isStored: document.querySelector(".messages .success") !== null });
