import { useId, useState, type KeyboardEvent, type ReactNode } from "react";
import "./options.css";

export type Option = { id: string; name: string; isChosen?: boolean; beside?: ReactNode };

type OptionsProps = {
  label: string;
  placeholder: string;
  options: readonly Option[];
  onChoose: (id: string) => void;
  /** Whether several can be chosen: then it stays open. */
  isMany?: boolean;
  /** What is said of a name that there is not yet; without it there is no new one. */
  makes?: string;
};

const plain = (text: string) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** A field that finds one of many by what is typed: arrows go through them, Enter chooses. */
export function Options({ label, placeholder, options, onChoose, isMany, makes }: OptionsProps) {
  const [text, setText] = useState("");
  const [place, setPlace] = useState(0);
  const id = useId();
  const words = plain(text).split(/\s+/).filter(Boolean);
  const found = options.filter(({ name }) => words.every((word) => plain(name).includes(word)));
  const written = text.trim();
  const isNew = makes && written && !options.some(({ name }) => plain(name) === plain(written));
  const all: Option[] = isNew ? [...found, { id: written, name: `${makes} “${written}”` }] : found;
  const active = Math.min(place, all.length - 1);

  function choose(option: Option | undefined) {
    if (!option) return;
    setText("");
    onChoose(option.id);
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.nativeEvent.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setPlace((active + step + all.length) % Math.max(all.length, 1));
    else if (event.key === "Enter") choose(all[active]);
    else return;
    event.preventDefault();
  }

  return (
    <div className="choose">
      <input
        data-first
        autoComplete="off"
        role="combobox"
        aria-label={label}
        aria-expanded="true"
        aria-controls={id}
        aria-autocomplete="list"
        aria-activedescendant={all[active] && `${id}-${active}`}
        placeholder={placeholder}
        value={text}
        onChange={({ target }) => {
          setText(target.value);
          setPlace(0);
        }}
        onKeyDown={onKeyDown}
      />
      <div id={id} role="listbox" aria-label={label} aria-multiselectable={isMany} tabIndex={-1}>
        {all.map((option, index) => (
          <div
            key={option.id}
            id={`${id}-${index}`}
            role="option"
            aria-selected={isMany ? (option.isChosen ?? false) : index === active}
            className={index === active ? "active" : undefined}
            ref={(item) => {
              if (index === active) item?.scrollIntoView({ block: "nearest" });
            }}
            onPointerMove={() => index !== active && setPlace(index)}
            onClick={() => choose(option)}
          >
            <span>{option.name}</span>
            {option.isChosen && (
              <svg viewBox="0 0 16 16" aria-label="chosen" role="img">
                <path d="m3.5 8.5 3 3 6-7" />
              </svg>
            )}
            {option.beside}
          </div>
        ))}
      </div>
      {all.length === 0 && <p className="nothing">Nothing has this name.</p>}
    </div>
  );
}
