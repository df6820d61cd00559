// Runs before the first paint, so that a chosen theme never flashes.
const { dataset } = document.documentElement;
try {
  const theme = localStorage.getItem("carapax.theme");
  if (["light", "dark"].includes(theme)) dataset.theme = theme;
} catch {
  // a browser that keeps nothing
}
