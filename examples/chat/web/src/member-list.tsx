import { useAction } from 'fluxwire/react';
import { Avatar } from './avatar.tsx';
import { renameMember } from './chat.ts';
import type { Member } from './chat.ts';
import { Editable } from './editable.tsx';
import { useReport } from './problem.tsx';

interface Props {
  room: string;
  actor: string;
  members: Record<string, Member>;
}

/** Who is in the room; one's own name can be changed here. */
export function MemberList({ room, actor, members }: Props) {
  const rename = useAction(renameMember);
  const report = useReport();
  const all = Object.values(members).sort((a, b) => a.name.localeCompare(b.name));

  return (
    <aside className="members" aria-label="Members">
      <h2>
        Members <span className="quiet">{all.length}</span>
      </h2>
      <ul>
        {all.map((member) => (
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
    </aside>
  );
}
