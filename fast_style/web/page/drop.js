// Files that are dropped while a section is open.
export function dropping(section, place, take) {
  for (const name of ["dragover", "dragleave", "drop"])
    document.addEventListener(name, (event) => {
      if (section.hidden || !event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      place.classList.toggle("over", name === "dragover");
      if (name === "drop") take([...event.dataTransfer.files]);
    });
}
