import { useAction } from 'fluxwire/react';
import { memo } from 'react';
import { Avatar } from './avatar.tsx';
import { actions } from './chat.ts';
import type { Member } from './chat.ts';
import { Editable } from './editable.tsx';
import { useReport } from './problem.tsx';

/** A list that nobody reads to its end costs time on every join. */
const SHOWN = 200;

interface Props {
  /** Where there is no space beside the messages: whether it is shown above them. */
  open: boolean;
  room: string;
  actor: string;
  members: Record<string, Member>;
}

/** Who is in the room; here one takes another name, and leaves. */
export const MemberList = memo(function MemberList({ open, room, actor, members }: Props) {
  const rename = useAction(actions.rename_member);
  const leave = useAction(actions.leave_room);
  const report = useReport();
  const all = Object.values(members).sort((a, b) => rank(a) - rank(b) || byName.compare(a.name, b.name));
  // Oneself first: that entry can be changed.
  function rank(member: Member): number {
    return member.actor === actor ? 0 : 1;
  }

  return (
    <aside className="members" aria-label="Members" data-open={open || undefined}>
      <h2>
        Members <span className="quiet">{all.length}</span>
      </h2>
      <ul>
        {all.slice(0, SHOWN).map((member) => (
          <li key={member.actor}>
            <Avatar actor={member.actor} name={member.name} small />
            {member.actor === actor ? (
              <Editable
                value={member.name}
                label="Change your name in this room"
                maxLength={80}
                onSave={(name) => void rename({ room, name }).catch(report)}
              >
                <span className="member-name" dir="auto">
                  {member.name}
                </span>
                <span className="quiet">you</span>
              </Editable>
            ) : (
              <span className="member-name" dir="auto">
                {member.name}
              </span>
            )}
          </li>
        ))}
      </ul>
      {all.length > SHOWN && <p className="quiet more">and {all.length - SHOWN} more</p>}
      {Object.hasOwn(members, actor) && (
        <button className="plain leave" onClick={() => void leave({ room }).catch(report)}>
          Leave this room
        </button>
      )}
    </aside>
  );
});

// Made once: localeCompare looks its rules up for each pair.
const byName = new Intl.Collator();
