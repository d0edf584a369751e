// An id is shown in part: a click copies the whole of it.

document.addEventListener("click", async ({ target }) => {
  const id = target.closest?.("code.id");
  if (!id || !navigator.clipboard) return;
  await navigator.clipboard.writeText(id.textContent);
  id.classList.add("copied");
  setTimeout(() => id.classList.remove("copied"), 1_500);
});
