using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Incidents.Migrations
{
    /// <inheritdoc />
    public partial class AccessFixes : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<string>(
                name: "team",
                table: "silences",
                type: "text",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "actor_id",
                table: "audit_entries",
                type: "text",
                nullable: true);

            migrationBuilder.AddColumn<Guid>(
                name: "user_id",
                table: "account_links",
                type: "uuid",
                nullable: true);

            migrationBuilder.CreateIndex(
                name: "ix_alerts_caused",
                table: "alerts",
                column: "id",
                filter: "status = 'firing' and outcome = 'suppressed' and (muted_rule like 'inhibition/%' or muted_rule like 'dependency/%')");

            // Whose roles count for a link that somebody made who was signed in as a user is not written down: they are asked to link again.
            migrationBuilder.Sql("delete from account_links where key_id is null and created_by = name");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_alerts_caused",
                table: "alerts");

            migrationBuilder.DropColumn(
                name: "team",
                table: "silences");

            migrationBuilder.DropColumn(
                name: "actor_id",
                table: "audit_entries");

            migrationBuilder.DropColumn(
                name: "user_id",
                table: "account_links");
        }
    }
}
