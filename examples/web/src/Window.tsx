// Long lists: only what is near the part in sight is in the page, the rest is a space of its height.
import { useEffect, useRef, useState, type ReactNode } from "react";

/** Rows that come and go together. */
const BLOCK = 30;
/** How far outside of what is in sight rows are in the page already, and the height of one nobody has seen yet. */
const [NEAR, ROW] = ["1000px", 52];

type WindowProps<T> = {
  items: readonly T[];
  /** The place of the item that is in the page wherever that scrolls to, for it may have the focus. */
  kept: number;
  children: (item: T, index: number) => ReactNode;
};

export function Window<T>({ items, kept, children }: WindowProps<T>) {
  const blocks = [];
  for (let start = 0; start < items.length; start += BLOCK) {
    const end = Math.min(start + BLOCK, items.length);
    const draw = () => items.slice(start, end).map((item, index) => children(item, start + index));
    blocks.push(
      <Block
        key={start}
        count={end - start}
        isFirst={start === 0}
        isKept={kept >= start && kept < end}
        draw={draw}
      />,
    );
  }
  return blocks;
}

type BlockProps = { count: number; isFirst: boolean; isKept: boolean; draw: () => ReactNode };

function Block({ count, isFirst, isKept, draw }: BlockProps) {
  const [isNear, setNear] = useState(isFirst);
  const [height, setHeight] = useState(ROW);
  const element = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const observer = new IntersectionObserver(
      ([entry]) => {
        const { isIntersecting, boundingClientRect } = entry!;
        if (!isIntersecting && element.current?.childElementCount) {
          setHeight(boundingClientRect.height / element.current.childElementCount);
        }
        setNear(isIntersecting);
      },
      { rootMargin: `${NEAR} 0px` },
    );
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, []);

  const isDrawn = isNear || isKept;
  return (
    <div role="presentation" ref={element} style={isDrawn ? undefined : { height: height * count }}>
      {isDrawn && draw()}
    </div>
  );
}
