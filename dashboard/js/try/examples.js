// Texts to try, one for each thing that the gateway tells apart.

export const EXAMPLES = [
  { name: "Plain praise", text: "I love this phone, the battery lasts all day." },
  { name: "At odds with itself", text: "The food was delicious but the service was awful." },
  { name: "Sarcasm", text: "Oh great, another update that breaks everything. Just what I needed." },
  { name: "Thanks", text: "They replaced it within a day, thank you so much! 🎉" },
  { name: "Several aspects", text: "Great camera and a lovely screen 😍, but the app is slow and support never answered my emails." },
  { name: "Matter of fact", text: "The parcel contains a charger, a cable and a printed manual." },
  { name: "Another language", text: "Die Lieferung kam zwei Wochen zu spät und der Karton war völlig zerdrückt." },
];
