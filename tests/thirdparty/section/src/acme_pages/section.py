from harness.api import Column, ReportSection, Section


class Attacked(ReportSection):
    title = "Acme's pages"
    absent = "No model has been attacked."

    def section(self, reported):
        rows = [
            {"model": reported.short(row["model"]), "success": row["success"]}
            for row in reported.suite.leaderboard()
            if row["success"] is not None
        ]
        if not rows:
            return None
        columns = [Column("model"), Column("success", "success rate", format=".1%")]
        return Section([f"{len(rows)} models were attacked."], rows=rows, columns=columns)
