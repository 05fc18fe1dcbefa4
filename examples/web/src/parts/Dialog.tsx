import { useEffectEvent, useLayoutEffect, useRef, type ReactNode } from "react";
import "./dialog.css";

type DialogProps = {
  label: string;
  className?: string;
  onClose: () => void;
  children: ReactNode;
};

/**
 * Above all else, until it is closed: by Escape, by its own buttons, or by a press beside it. The focus goes to
 * what is `data-first` in it.
 */
export function Dialog({ label, className = "", onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const close = useEffectEvent(onClose);

  // Closed before it leaves the page, so that the focus goes back to where it was.
  useLayoutEffect(() => {
    const { current } = dialog;
    current!.showModal();
    const first = current!.querySelector<HTMLElement>("[data-first]") ?? current!.firstElementChild;
    (first as HTMLElement).focus();
    return () => current!.close();
  }, []);

  return (
    <dialog
      ref={dialog}
      className={`dialog ${className}`}
      aria-label={label}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onPointerDown={({ target }) => target === dialog.current && close()}
    >
      <div className="dialog-body" tabIndex={-1}>{children}</div>
    </dialog>
  );
}

type HeadProps = { title: string; onClose: () => void; children?: ReactNode };

export function DialogHead({ title, onClose, children }: HeadProps) {
  return (
    <div className="dialog-head">
      <h2>{title}</h2>
      {children}
      <button type="button" className="quiet icon" aria-label="Close" onClick={onClose}>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="m4 4 8 8m0-8-8 8" />
        </svg>
      </button>
    </div>
  );
}
