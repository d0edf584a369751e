// An id is shown in part: a click copies the whole of it, unless it leads somewhere.

document.addEventListener("click", async ({ target }) => {
  const id = target.closest?.("code.id:not(a *)");
  if (!id || !navigator.clipboard) return;
  await navigator.clipboard.writeText(id.textContent);
  id.classList.add("copied");
  setTimeout(() => id.classList.remove("copied"), 1_500);
});
