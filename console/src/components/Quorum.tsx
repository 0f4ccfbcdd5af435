/** Who takes part, against what a decision needs. */
import { useText } from "../lib/text";
import type { Quorum, ValidatorSeen } from "../lib/types";
import { Pill } from "./parts";

export function QuorumBar(props: { validators: readonly ValidatorSeen[]; quorum: Quorum }) {
  const { t } = useText();
  const { quorum } = props;
  return (
    <div className="stack">
      <div>
        <div className="row" style={{ marginBottom: 8 }}>
          <span>
            {t("quorum.present", { present: quorum.total - quorum.missing, total: quorum.total })}
          </span>
          <span className="muted">{t("quorum.needs", { quorum: quorum.quorum })}</span>
        </div>
        <div className="bar" aria-hidden="true">
          <span style={{ width: `${(100 * (quorum.total - quorum.missing)) / quorum.total}%` }} />
          <b style={{ left: `${(100 * quorum.quorum) / quorum.total}%` }} />
        </div>
      </div>
      <ul className="row">
        {props.validators.map((one) => (
          <li key={one.name}>
            <Pill tone={one.missing ? "bad" : "good"}>
              <span className={one.missing ? "dot bad" : "dot good"} />
              {one.name}
              <span className="visually-hidden">
                {one.missing ? t("validator.missing") : t("validator.present")}
              </span>
            </Pill>
          </li>
        ))}
      </ul>
    </div>
  );
}
